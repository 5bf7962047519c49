//! Parts -> one staged file in the kept format.
