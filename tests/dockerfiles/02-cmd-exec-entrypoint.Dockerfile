FROM base:1
CMD ["first"]
ENTRYPOINT ["/bin/echo", "a b", "quote\"d"]
CMD ["second"]
