-- Cards within a site's budget, counted for each message: read from the index alone.
CREATE INDEX calls_carded ON calls (site, opened, proven, over_budget) WHERE over_budget = 0;
