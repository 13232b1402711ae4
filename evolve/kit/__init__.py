"""What tasks share: small modules that their judges import, and that are shipped into the jail where a harness imports them."""
