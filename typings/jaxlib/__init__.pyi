"""All of jaxlib that neuronc relies on; its own stubs are incomplete."""
