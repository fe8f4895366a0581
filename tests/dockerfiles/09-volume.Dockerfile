FROM base:1
RUN mkdir /data && echo kept > /data/before
VOLUME /data
RUN echo lost > /data/after; echo out > /outside
VOLUME ["/one", "/two three"]
VOLUME $HOME/x
