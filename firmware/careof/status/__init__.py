"""How careof is seen from outside."""
