"""Rules as data: (site, letter) -> the first rule that matches -> what happens."""
