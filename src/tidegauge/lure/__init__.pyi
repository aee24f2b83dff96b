from .authentic import Authentic as Authentic, read_keys as read_keys
from .judge import Judge as Judge, Judged as Judged, our_model as our_model
from .reading import Given as Given, Left as Left, given as given
from .tables import Brands as Brands, read_brands as read_brands
