"""Those we are compared with, each as somebody would write it who wanted it to win."""
