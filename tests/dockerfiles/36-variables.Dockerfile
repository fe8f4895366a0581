FROM base:1
ENV P=/opt N=name
COPY a.txt $P/${N}.txt
ADD run.sh ${P}/${NOT:-default}/
WORKDIR $P/$N
USER ${U:-alice}
STOPSIGNAL ${S:-SIGINT}
VOLUME ${P}/vol
