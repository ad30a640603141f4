class Careof:
    pass
