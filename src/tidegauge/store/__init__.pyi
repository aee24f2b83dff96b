from .database import Store as Store
from .keys import site_key as site_key
from .writing import note_change as note_change, put as put
