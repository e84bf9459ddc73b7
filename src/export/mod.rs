//! The Exporting Process: Flow Records to collectors, files and people.
