from .database import Store as Store, note_change as note_change, put as put
from .keys import site_key as site_key
