FROM base:1
LABEL one=1 "two words"="a b" three='$HOME' four=$PATH
LABEL multi="line one \
line two"
MAINTAINER Jane Doe <jane@example.com>
LABEL after=maintainer
