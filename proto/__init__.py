"""What crosses the network: wire messages, session state, signalling and the WebRTC peer."""
