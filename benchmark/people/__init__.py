"""What people say: two results of one face and one style, which is better and which keeps the person."""
