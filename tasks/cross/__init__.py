"""careof for routers: what they are (targets, boards), and how it is built for them."""
