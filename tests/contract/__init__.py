"""What every transport promises, tried on real places and real servers."""
