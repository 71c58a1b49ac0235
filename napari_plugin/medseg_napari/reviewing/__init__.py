"""From a labels layer to the review of its objects, and back to the view; no Qt in here."""
