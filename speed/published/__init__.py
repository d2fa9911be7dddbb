"""Our networks and steps beside the code that their authors published, which a person has fetched into a folder of their own.

Nothing of that code is in this repository: its licences differ. It is imported from the folder when it is asked for.
"""
