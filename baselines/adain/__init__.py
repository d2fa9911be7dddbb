"""AdaIN (Huang and Belongie, ICCV 2017): networks, training and method."""
