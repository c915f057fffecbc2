"""Protocol A: the tables of the residual-dyad paper."""
