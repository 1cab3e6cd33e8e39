"""The release before and this one, on one database, one broker and one provider."""
