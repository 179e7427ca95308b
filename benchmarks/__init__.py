"""What a day costs, each step beside a reference measured in the same run: `make bench`."""
