FROM base:1
COPY ["sp ace.txt", "/with space/"]
COPY ["a.txt", "sp ace.txt", "/two of them/"]
