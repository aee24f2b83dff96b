from .database import Store as Store
from .database import note_change as note_change
from .database import put as put
from .keys import site_key as site_key
