"""What a person does after a backup was restored, or the panel moved: until then nothing is sent.

`after_restore` turns what the backup had in its queue into doubts and lets providers be resumed one by one; `orphans`
are the orders that a provider has and this database does not; `doubts` decides many doubts at once.
"""
