"""What ViPer's steering is compared with (§4.2): generators over the same base."""
