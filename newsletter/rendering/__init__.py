"""From a digest to the words a reader sees: templates, cards made once an edition, messages joined from them."""
