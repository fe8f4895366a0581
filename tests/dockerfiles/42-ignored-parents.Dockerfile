# ignore: * !modes/none !sub/deep/c
FROM base:1
COPY s[u]b /x/
COPY mod?s /y
