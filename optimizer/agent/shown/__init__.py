"""How figures are put for whoever looks: the page, the command line, a letter, a program; it knows none of them."""
