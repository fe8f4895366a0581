# a comment
FROM base:1

RUN echo one \
    # a comment inside

  && echo two \
    > /two \
 && echo three > /three
   ENV   SPACED   value   here
run echo lower > /lower
