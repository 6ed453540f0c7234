"""What it was worth: credit for conversions, the value of customers, lift, and the score of our own advice."""
