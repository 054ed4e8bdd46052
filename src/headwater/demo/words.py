"""The words that the made-up CRM's people, companies and deals are made of. Nobody real is meant."""


def several(*lines: str) -> tuple[str, ...]:
    """Return the words of some lines."""
    return tuple(word for line in lines for word in line.split())


FIRST_NAMES = several(
    "Amara Zoë Łukasz Søren Inês Björn Chloé Dmitri Aoife Mehmet Priya Kwame Yuki Noor Mateo Saoirse",
    "Jürgen Linh Þórdís Élodie Ximena Goran Hana Ravi Olga Tomáš 陽子 伟 Fatıma Nia Oskar Irma Paul Ruth",
    "Anna Ben Carla David Ella Finn Greta Hugo Ivy Jonas Kira Leo Mia Nils",
)

LAST_NAMES = several(
    "Okafor Müller Kowalski Sørensen Gonçalves Lindström Dubois Volkov O’Brien Yılmaz Sharma Mensah",
    "Tanaka Haddad Fernández Murphy Weiß Nguyễn Jónsdóttir Lefèvre Ibáñez Petrović Nováková Patel",
    "Ivanova Černý 山田 王 Demir Adeyemi Berg Castro Ito Smith Brown Jones Keller Lang Martin Novak",
    "Olsen Park Quinn Rossi Silva Torres Vogel Young",
)

COMPANY_FIRST = several(
    "Alder Basalt Cedar Delta Ember Fjord Granite Harbour Indigo Juniper Kestrel Lantern Meadow",
    "Northwind Onyx Pebble Quarry Ripple Saffron Tundra Umber Vale Willow Yarrow Zephyr Águila Brücke",
    "Étoile Øresund Šumava",
)

COMPANY_SECOND = several(
    "Analytics Bakery Bicycles Books Cargo Ceramics Coffee Dental Energy Farms Foods Freight Glass",
    "Hardware Health Instruments Labs Logistics Marine Motors Optics Paper Robotics Seeds Software",
    "Studios Textiles Timber Tools Travel",
)

COMPANY_FORMS = ("Ltd", "GmbH", "Inc.", "S.A.", "AB", "& Co.", "B.V.", "Sp. z o.o.", "株式会社")

INDUSTRIES = ("food", "health", "logistics", "manufacturing", "media", "retail", "software", "travel")

CITIES = (
    ("Berlin", "DE"),
    ("Gdańsk", "PL"),
    ("Göteborg", "SE"),
    ("Kraków", "PL"),
    ("Lagos", "NG"),
    ("Lisboa", "PT"),
    ("Montréal", "CA"),
    ("München", "DE"),
    ("Nairobi", "KE"),
    ("Porto", "PT"),
    ("Reykjavík", "IS"),
    ("San José", "CR"),
    ("São Paulo", "BR"),
    ("Tromsø", "NO"),
    ("Zürich", "CH"),
    ("İzmir", "TR"),
    ("京都", "JP"),
)

TITLES = (
    "Buyer",
    "Chief Executive",
    "Chief Financial Officer",
    "Head of Operations",
    "Head of Purchasing",
    "IT Manager",
    "Office Manager",
    "Plant Manager",
    "Team Lead",
    "VP Sales",
)

OWNERS = ("alice", "bruno", "çelik", "dörte", "emeka", "françois")

TAGS = ("eu", "key account", "newsletter", "partner", "pilot", "renewal", "trial", "🌱 green", "⭐ reference")

STAGES = (
    ("qualification", 10),
    ("discovery", 25),
    ("proposal", 50),
    ("negotiation", 75),
    ("won", 100),
    ("lost", 0),
)
"""Stages of a deal, in the order that a good one takes, each with its chance in per cent."""

CURRENCIES = ("EUR", "USD", "GBP", "PLN", "JPY")

DEAL_NAMES = (
    "annual licence",
    "extension",
    "first order",
    "framework contract",
    "maintenance",
    "pilot",
    "renewal",
    "second site",
    "spare parts",
    "training",
)
