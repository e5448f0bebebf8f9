"""The systems of Meridian, a fictional bank, that the labs attack and defend."""
