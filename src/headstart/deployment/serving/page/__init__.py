"""The two pages of a server: one to try its runs, and the reference of its routes; both offline."""
