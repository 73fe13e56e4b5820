-- Not compressed, so that the size of a line is known without reading it: readers get so much of a long story at a time.
alter table jobsvc.events alter column data set storage external;
