FROM base:1
COPY a.txt run.sh sub /many/
