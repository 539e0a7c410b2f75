"""What a search did, to look at: figures, and a page that needs nothing but a browser.

runs.py      what folders of searches have on record
lineage.py   how the best program came to be
charts.py    a figure as plain data
figures.py   the figures: from runs to such data
svg.py       draws them into the page
plotting.py  draws them by matplotlib, into files
scores.py    the best program against the library, and what it does
page.py      all of it as HTML; parts.py, what that is made of
serving.py   the page of a search that is still running
"""
