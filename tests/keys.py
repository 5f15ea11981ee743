"""The key of the operator. Settings and processes read it before Django is set up."""

OPERATOR_KEY = "operator-key-for-the-tests"
