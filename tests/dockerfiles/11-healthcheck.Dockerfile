FROM base:1
HEALTHCHECK --interval=5m --timeout=3s --retries=3 CMD wget -q http://localhost/ || exit 1
HEALTHCHECK --start-period=1m30s CMD ["true", "x y"]
