"""The load half against a kube-apiserver that is not ours: see docs/campaigns.md, "Any cluster"."""
