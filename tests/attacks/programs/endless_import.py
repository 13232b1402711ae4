"""Does not even come to an end of being imported."""

while True:
    pass
