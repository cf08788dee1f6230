"""setup-vif-rules: what xenopsd runs for each VIF that comes and goes."""
