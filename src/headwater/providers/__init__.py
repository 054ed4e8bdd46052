"""What each API is like: where its collections are, how to page, how changes and deletes show, how to
authenticate.

Belongs here: declarations of APIs and the functions that fetch their pages. Does not: streams, databases,
deciding when to ask. A provider is a value (`provider.Provider`); `table` has one line for each.
"""
