OPERATOR_KEY = "operator-key-for-the-tests"
