"""Workers: where the functions of stages run."""
