"""Many runs of one campaign: sweeps, comparisons, limits, culprits. See docs/campaigns.md."""
