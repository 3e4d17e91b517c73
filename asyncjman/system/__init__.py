"""How work runs. Nothing in here touches the store."""
