"""Messages as bytes, the tokens in them, and the ways out of the house."""
