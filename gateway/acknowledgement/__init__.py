"""May we answer by ourselves (RFC 3834)? With which words? May the template say that?"""
