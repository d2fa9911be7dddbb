"""The embedded world: painted portraits with exact truth, and a gallery site on loopback that shows them."""
