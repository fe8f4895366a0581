FROM base:1
COPY --chown=alice a.txt /by-name
COPY --chown=alice:root sub /by-group
COPY --chown=7:8 run.sh /new/parent/
COPY --chown=9 a.txt /numbers
