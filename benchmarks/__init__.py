"""What a day costs, each row beside a reference measured in the same run: `make bench`."""
