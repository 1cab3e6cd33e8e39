"""The door of Cryptomus and Heleket."""
